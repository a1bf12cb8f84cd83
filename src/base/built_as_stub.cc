#include "base/built_as_stub.h"

namespace cloche {

bool built_as_stub() { return CLOCHE_STUB_BUILD != 0; }

}  // namespace cloche
