// A network as its VM's process gets it, opened.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "machine/config.h"
#include "vmm/passt.h"
#include "wire/vmm.h"

namespace cloche {

// What belongs to a VM's networks and has to go when it has ended.
class Companions {
 public:
  Companions() = default;
  Companions(const Companions&) = delete;
  Companions& operator=(const Companions&) = delete;
  ~Companions() { end(); }

  std::shared_ptr<Passt> add(Passt process);
  // A path that is ours to remove.
  void add(std::string path) { paths_.push_back(std::move(path)); }
  void end();

 private:
  std::vector<std::shared_ptr<Passt>> processes_;
  std::vector<std::string> paths_;
};

// Opens each of `config.networks`.
Result<std::vector<MachineNetwork>> open_networks(const wire::VmConfig& config, Companions& companions);

}  // namespace cloche
