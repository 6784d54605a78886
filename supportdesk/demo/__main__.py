"""``python -m supportdesk.demo``: starts the demo, see ``supervisor``."""

import sys

from supportdesk.demo.supervisor import main

if __name__ == "__main__":
    sys.exit(main())
