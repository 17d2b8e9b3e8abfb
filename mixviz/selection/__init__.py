"""Methods side by side: their scores on a set of pictures, throughput, accuracy and lineage."""
