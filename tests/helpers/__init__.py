"""What tests share: fakes, drawn bodies, damaged files, processes."""
