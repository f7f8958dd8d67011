"""`python -m bench`, from the top of the repository."""

import sys

from bench.run import main

sys.exit(main())
