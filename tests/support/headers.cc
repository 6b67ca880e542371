// Only for the headers that are compiled with it; see muster_test in tests/CMakeLists.txt.
