// Options: how a share behaves.
#pragma once

#include <chrono>
#include <string>

namespace cloche::fs {

struct Options {
  std::string tag;         // What the guest mounts it by: 1 to 36 bytes.
  bool read_only = false;  // Every request that would change something is answered EROFS and does not reach the host.
  // How long the guest may trust a name, and a file's attributes, before it asks again. Long for roots that do not
  // change.
  std::chrono::milliseconds entry_timeout{1000};
  std::chrono::milliseconds attribute_timeout{1000};
  // File contents stay cached in the guest from one open to the next, until the file's time or size is seen to have
  // changed.
  bool keep_cache = true;
};

}  // namespace cloche::fs
