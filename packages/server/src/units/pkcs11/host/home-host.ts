/** The home of a name among `hosts` hosts, 0 to `hosts` - 1: FNV-1a (32 bits) over its UTF-16 code units. */
export function homeHost(name: string, hosts: number): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at += 1) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return (hash >>> 0) % hosts;
}
