#include "api/installation.h"

#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>
#include <string_view>

namespace cloche {
namespace {

std::string_view directory_of(std::string_view path) {
  size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view(".") : path.substr(0, slash);
}

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string own_program() {
  std::array<char, PATH_MAX> path;
  ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  return size < 0 ? std::string() : std::string(path.data(), static_cast<size_t>(size));
}

Installation in_directory(const std::string& directory) {
  std::string programs = directory + "/libexec/cloche/", images = directory + "/share/cloche/";
  return {.vmm = programs + "cloche-vmm",
          .bundle_reader = programs + "cloche-bundle-reader",
          .kernel = images + "guest-vmlinux",
          .machine_kernel = images + "machine-vmlinux",
          .init = images + "cloche-init",
          .agent = images + "cloche-agent",
          .kelpie_agent = images + "cloche-agent-kelpie"};
}

}  // namespace

Installation find_installation(const std::string& given) {
  if (!given.empty()) return in_directory(given);
  std::string own = own_program();
  Installation beside = in_directory(std::string(directory_of(directory_of(own))));
  if (name_of(own) == "cloche") return beside;
  const char* vmm = std::getenv("CLOCHE_VMM");
  if (vmm != nullptr && *vmm == '/') {
    Installation found = in_directory(std::string(directory_of(directory_of(directory_of(vmm)))));
    found.vmm = vmm;
    return found;
  }
  if (::access(beside.vmm.c_str(), X_OK) == 0) return beside;
  return in_directory(CLOCHE_INSTALLATION);
}

}  // namespace cloche
