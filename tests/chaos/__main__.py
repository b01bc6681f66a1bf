"""`python -m tests.chaos`: the chaos run."""

import sys

from tests.chaos.run import main

sys.exit(main(sys.argv[1:]))
