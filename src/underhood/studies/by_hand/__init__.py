"""What the worked derivations share: numbers, checks and drawings; small maps; SimpleConvNet's layers."""
