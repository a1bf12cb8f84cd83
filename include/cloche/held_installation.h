// cloche's programs and images, held on to: with them a VM starts where the file system that they lie in cannot be seen
// any more, as in a process that has changed its root directory, and has closed its descriptors on the way.
#pragma once

#include <memory>
#include <string>

#include "cloche/result.h"

namespace cloche {

class HeldFiles;

// For any thread, and for children of the process that took hold. Costs address space alone: the files are mapped.
class HeldInstallation {
 public:
  // From the directory `given`, and where that is empty from where Config::installation says. An error names a file
  // that is missing.
  static Result<std::shared_ptr<const HeldInstallation>> hold(const std::string& given = {});

  explicit HeldInstallation(std::unique_ptr<const HeldFiles> files);
  HeldInstallation(const HeldInstallation&) = delete;
  HeldInstallation& operator=(const HeldInstallation&) = delete;
  ~HeldInstallation();
  const HeldFiles& files() const { return *files_; }  // For the library itself.

 private:
  std::unique_ptr<const HeldFiles> files_;
};

}  // namespace cloche
