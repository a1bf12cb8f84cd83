// Where the programs are that a VM of this library needs.
#pragma once

#include "cloche.h"
#include "cloche/own_installation.h"
#include "cloche/vm.h"

namespace cloche::capi {

// `config`, with the installation that this library lies in where it names none.
inline Config placed(Config config) {
  if (config.installation.empty())
    config.installation = installation_around(reinterpret_cast<const void*>(&cloche_version));
  return config;
}

}  // namespace cloche::capi
