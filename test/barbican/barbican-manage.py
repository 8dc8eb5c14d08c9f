"""Runs barbican-manage for each list of words in the JSON of standard input, in one process, as each would start anew.

The first that fails ends it, with its message and exit status.
"""

import json
import sys

from barbican.cmd import barbican_manage

for words in json.load(sys.stdin):
    sys.argv[1:] = words
    barbican_manage.main()
