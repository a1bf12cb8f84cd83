// The one difference between a stub and a cloche.
#pragma once

namespace cloche {

// Whether CMake was told CLOCHE_STUB.
bool built_as_stub();

}  // namespace cloche
