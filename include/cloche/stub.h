// A cloche that only answers: for building and linking what uses it where there can be no VM.
#pragma once

#include "cloche/result.h"

namespace cloche {

// kUnsupported where this cloche was built with CLOCHE_STUB, or the environment variable CLOCHE_STUB says that it is to
// be one (anything but nothing and 0). Whatever needs a VM asks here first. Any thread.
Result<void> refuse_as_stub();

}  // namespace cloche
