"""openface: the 714 columns of OpenFace for every clip, from a container, a program or CSVs."""
