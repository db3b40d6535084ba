"""opensmile: openSMILE's low-level descriptors or functionals of a clip's sound."""
