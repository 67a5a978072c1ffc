import sys

from whichweights.cli import main

sys.exit(main())
