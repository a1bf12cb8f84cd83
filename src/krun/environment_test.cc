#include "krun/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cloche::krun {
namespace {

using ::testing::ElementsAre;

TEST(EnvironmentTest, AValueIsFoundByItsWholeName) {
  std::vector<std::string> environment{"AB=1", "A=2=3", "A", "EMPTY="};
  EXPECT_EQ(value_of(environment, "A"), "2=3");
  EXPECT_EQ(value_of(environment, "EMPTY"), "");
  EXPECT_EQ(value_of(environment, "B"), "");
}

TEST(EnvironmentTest, AVariableTakesThePlaceOfItsFormer) {
  std::vector<std::string> environment{"A=1", "B=2"};
  set_variable(environment, "A=3");
  set_variable(environment, "AB=4");
  EXPECT_THAT(environment, ElementsAre("A=3", "B=2", "AB=4"));
}

TEST(EnvironmentTest, WhatHasNoNameIsLeftOut) {
  std::vector<std::string> environment;
  for (const char* each : {"", "=", "=x", "A"}) set_variable(environment, each);
  EXPECT_TRUE(environment.empty());
}

TEST(EnvironmentTest, OfWhatIsConfiguredHomeAndTermAloneTakePrecedence) {
  std::vector<std::string> environment{"HOME=/", "TERM=linux", "A=said"};
  add_configured(environment, {"A=configured", "HOME=/root", "TERM=xterm", "B=1", "B=2", "broken"});
  EXPECT_THAT(environment, ElementsAre("HOME=/root", "TERM=xterm", "A=said", "B=2"));
}

TEST(EnvironmentTest, HomeAndTermHaveNamesThatNobodyElseSets) {
  std::vector<std::string> environment{"HOME=/", "KRUN_TERM=dumb"};
  add_configured(environment, {"HOME=/root", "KRUN_HOME=/home"});
  EXPECT_EQ(value_of(environment, "HOME"), "/home");
  EXPECT_EQ(value_of(environment, "TERM"), "dumb");
}

}  // namespace
}  // namespace cloche::krun
