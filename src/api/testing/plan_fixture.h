// What the tests of plans share: an installation to plan with, and why a plan is refused.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "api/plan.h"
#include "api/testing/fake_installation.h"

namespace cloche {

class PlanFixture : public ::testing::Test {
 protected:
  // The streams are not the test's own.
  static Config quiet(Config config) {
    config.streams = {.input = -1, .output = -1, .error = -1};
    return config;
  }
  Result<Plan> plan(const Config& config) { return make_plan(config, find_installation(fake_.directory())); }
  static std::string why(const Result<Plan>& made) { return made ? "it is taken" : made.error().message(); }
  std::string why(const Config& config) { return why(plan(config)); }

  FakeInstallation fake_{"/bin/true"};  // No plan here is carried out.
};

}  // namespace cloche
