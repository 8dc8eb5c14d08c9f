/** The text of a value with the passwords of URLs taken out (RFC 3986 §3.2.1, and `password=` in a query). */
export function withoutPasswords(text: string): string {
  return text
    .replaceAll(/(\/\/[^/@:\s]*):[^/\s]*@/g, "$1:[secret]@")
    .replaceAll(/([?&]password=)[^&#\s]*/gi, "$1[secret]");
}
