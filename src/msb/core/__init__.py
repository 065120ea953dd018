"""Arrays and tensors: molecules, mappings, boxes, geometry, voxels, noise; no files, no networks."""
