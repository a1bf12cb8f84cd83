#include "cloche/own_installation.h"

#include <dlfcn.h>

#include <filesystem>

namespace cloche {

std::string installation_around(const void* address) {
  Dl_info info{};
  if (::dladdr(address, &info) == 0) return {};
  std::error_code error;
  auto library = std::filesystem::canonical(info.dli_fname, error);
  for (auto place = library.parent_path(); !error && place.has_relative_path(); place = place.parent_path())
    if (std::filesystem::exists(place / "libexec/cloche/cloche-vmm", error)) return place.string();
  return {};
}

}  // namespace cloche
