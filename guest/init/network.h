// The guest's interfaces: brought up, and given what a DHCP server says. IPv6 the kernel configures by itself.
#pragma once

#include <string>
#include <vector>

#include "guest/init/dhcp_message.h"
#include "guest/init/failure.h"
#include "wire/guest.h"

namespace cloche::init {

class Network {
 public:
  // Brings every interface up and asks on those with DHCP. Nothing waits for an answer: there is other work.
  Result<void> begin(const wire::Start& start);
  // Waits until each has an address; then writes /etc/resolv.conf, if a server named DNS servers, or the host did and
  // the root has none.
  Result<void> finish();

 private:
  struct Asking {
    std::string name;
    int socket = -1;  // Of packets, for there is no address yet.
    int index = 0;
    DhcpClient client;
    DhcpLease lease;
    bool has_offer = false, done = false;
  };

  Result<void> ask(const Asking& asking) const;
  Result<void> hear(Asking& asking);
  Result<void> take(Asking& asking);
  Result<void> ask_those_without();
  bool all_done() const;

  std::string hostname_, resolv_conf_;
  std::vector<Asking> asking_;
};

}  // namespace cloche::init
