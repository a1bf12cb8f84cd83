#include "machine/behind_guest.h"

#include <sched.h>

namespace cloche {
namespace {

// 0 is the calling thread.
bool set_policy(int policy) {
  sched_param none{};
  return ::sched_setscheduler(0, policy, &none) == 0;
}

bool has_one_processor() {
  cpu_set_t allowed;
  return ::sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) == 1;
}

}  // namespace

BehindGuest::BehindGuest()
    : is_behind_(has_one_processor() && ::sched_getscheduler(0) == SCHED_OTHER && set_policy(SCHED_BATCH)) {}

BehindGuest::~BehindGuest() {
  if (is_behind_) set_policy(SCHED_OTHER);
}

}  // namespace cloche
