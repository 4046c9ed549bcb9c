//! The journeys are all in the one test binary beside this file.
