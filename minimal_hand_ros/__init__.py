"""Thin ROS 2 nodes round minimal_hand_core: parameters, messages, topics and frames, no mathematics."""

from pkgutil import extend_path

# The generated messages are installed into a package of this very name. Started from the repository's root, Python
# would find the source folder first and miss them; with this, both folders count as one package.
__path__ = extend_path(__path__, __name__)
