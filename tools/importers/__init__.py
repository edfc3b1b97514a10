"""What the importers of trained 3-D CNNs share: tools/import-checkpoint, import-torch and import-onnx. See README.md."""
