"""Importers of trained 3-D CNNs: what tools/import-checkpoint, import-torch and import-onnx share. See README.md."""
