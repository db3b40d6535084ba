"""audio: log F0, MFCC and CQT chroma, 33 values a frame."""
