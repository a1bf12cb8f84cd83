#include "cloche/stub.h"

#include <cstdlib>
#include <string_view>

#include "base/built_as_stub.h"

namespace cloche {

Result<void> refuse_as_stub() {
  if (built_as_stub())
    return fail(ErrorCode::kUnsupported, "this cloche was built as a stub (CLOCHE_STUB), which has no VMs");
  const char* set = std::getenv("CLOCHE_STUB");
  std::string_view wanted = set == nullptr ? "" : set;
  if (wanted.empty() || wanted == "0") return {};
  return fail(ErrorCode::kUnsupported,
              "this cloche answers as if it was built as a stub, which has no VMs: the environment variable "
              "CLOCHE_STUB is set");
}

}  // namespace cloche
