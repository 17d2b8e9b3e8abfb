"""Convert objects from and to annotation files (COCO, YOLO, Pascal VOC, PNG masks) and torchvision's tensors."""
