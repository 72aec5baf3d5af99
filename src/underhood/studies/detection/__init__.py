"""Finding objects: scenes, boxes, proposals by grouping regions and by a network, and their report."""
