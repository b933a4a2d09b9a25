"""`python -m khata` is `khata`."""

import sys

from khata.edge.cli import main

sys.exit(main())
