"""C3D in PyTorch, with the modules' names of jfzhang95/pytorch-video-recognition."""
from __future__ import annotations

from torch import nn


class C3D(nn.Module):
    def __init__(self, classes, width, channels, frames, size):
        super().__init__()

        def conv(before, out):
            return nn.Conv3d(before, out, 3, padding=1)
        c1, c2, c3, c4 = width(64), width(128), width(256), width(512)
        self.conv1, self.pool1 = conv(channels, c1), nn.MaxPool3d((1, 2, 2), (1, 2, 2))
        self.conv2, self.pool2 = conv(c1, c2), nn.MaxPool3d(2, 2)
        self.conv3a, self.conv3b, self.pool3 = conv(c2, c3), conv(c3, c3), nn.MaxPool3d(2, 2)
        self.conv4a, self.conv4b, self.pool4 = conv(c3, c4), conv(c4, c4), nn.MaxPool3d(2, 2)
        self.conv5a, self.conv5b, self.pool5 = conv(c4, c4), conv(c4, c4), nn.MaxPool3d(2, 2, padding=(0, 1, 1))
        side = size // 16 // 2 + 1                   # of the last map: the last pool pads
        hidden = width(4096)
        self.fc6 = nn.Linear(c4 * (frames // 16) * side * side, hidden)
        self.fc7 = nn.Linear(hidden, hidden)
        self.fc8 = nn.Linear(hidden, classes)
        self.dropout = nn.Dropout(0.5)
        self.relu = nn.ReLU()

    def forward(self, x):
        x = self.pool1(self.relu(self.conv1(x)))
        x = self.pool2(self.relu(self.conv2(x)))
        x = self.pool3(self.relu(self.conv3b(self.relu(self.conv3a(x)))))
        x = self.pool4(self.relu(self.conv4b(self.relu(self.conv4a(x)))))
        x = self.pool5(self.relu(self.conv5b(self.relu(self.conv5a(x)))))
        x = x.flatten(1)
        x = self.dropout(self.relu(self.fc6(x)))
        x = self.dropout(self.relu(self.fc7(x)))
        return self.fc8(x)


NETWORKS = {("c3d", "jfzhang95"): C3D}
