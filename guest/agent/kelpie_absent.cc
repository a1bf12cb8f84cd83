// In the agent of sandboxes that have no kelpie port: the JSON library alone is a tenth of a program whose size is boot
// time.
#include "guest/agent/kelpie.h"

namespace cloche::agent {

Result<void> begin_kelpie(sandbox::Peer&, KelpieSide, const wire::Exec&, const std::string&) {
  return fail(ErrorCode::kUnsupported, "serve kelpie's protocol: this agent does not know it", ENOSYS);
}

}  // namespace cloche::agent
