"""Serves Barbican's API on a loopback port, with one thread: upstream's use of PKCS#11 crashes with several.

Arguments: the paste.ini, and the port, or 0 for a free one. Prints the port when it serves, and ends with its parent,
whose end of standard input closes then.
"""

import os
import sys
import threading
from wsgiref.simple_server import make_server

from paste import deploy


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


ini, port = sys.argv[1:]
threading.Thread(target=end_with_parent, daemon=True).start()
server = make_server("127.0.0.1", int(port), deploy.loadapp("config:" + ini))
print(server.server_port, flush=True)
server.serve_forever()
