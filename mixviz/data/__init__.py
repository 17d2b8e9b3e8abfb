"""Read pictures: decoding, data sets, folders, zips and batches."""
