"""python -m minimal_hand_ros.demo"""

import sys

from minimal_hand_ros.demo.main import main

sys.exit(main())
