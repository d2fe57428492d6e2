# Makes regions.json: masks and the boxes around the external contours of one class, by OpenCV 5.0.0; and how Python cuts lengths.
import json
import math
import random
import cv2
import numpy as np

print("OpenCV", cv2.__version__)
rng = np.random.default_rng(7)
masks = []
for kind in range(40):
    h, w = int(rng.integers(1, 24)), int(rng.integers(1, 24))
    if kind % 3 == 0:  # noise
        m = (rng.random((h, w)) < rng.choice([0.2, 0.5, 0.7])).astype(np.uint8)
    else:  # rings in rings
        m = np.zeros((h, w), np.uint8)
        for _ in range(6):
            x, y, r = int(rng.integers(0, w)), int(rng.integers(0, h)), int(rng.integers(1, 12))
            cv2.rectangle(m, (x - r, y - r), (x + r, y + r), int(rng.integers(0, 2)), int(rng.choice([-1, 1])))
    contours, _ = cv2.findContours(m, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    masks.append({"rows": ["".join(map(str, row)) for row in m.tolist()], "boxes": sorted(list(map(int, cv2.boundingRect(c))) for c in contours)})

parts = []
for _ in range(40):
    most, n = random.Random(_).randint(64, 1024), random.Random(_ + 99).randint(1, 9000)
    overlap = most // 8
    if n <= most:
        parts.append([n, most, overlap, [0]])
        continue
    count = max(1, int(np.ceil((n - overlap) / (most - overlap))))
    step = (n - most) / (count - 1)
    parts.append([n, most, overlap, [min(int(j * step), n - most) for j in range(count)]])
json.dump({"masks": masks, "parts": parts}, open("regions.json", "w"))
