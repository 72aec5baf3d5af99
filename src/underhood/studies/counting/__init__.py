"""What the studies that count share: a network's cost as plain data, and how it was checked."""
