"""Where the bytes lie: the contract in `base`, the one implementation in `filesystem`."""
