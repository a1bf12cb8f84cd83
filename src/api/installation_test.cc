#include "api/installation.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "cloche/preflight.h"

namespace cloche {
namespace {

TEST(Installation, FromAGivenDirectory) {
  Installation found = find_installation("/opt/x");
  EXPECT_EQ(found.vmm, "/opt/x/libexec/cloche/cloche-vmm");
  EXPECT_EQ(found.kernel, "/opt/x/share/cloche/guest-vmlinux");
  EXPECT_EQ(found.init, "/opt/x/share/cloche/cloche-init");
}

TEST(Installation, FromTheEnvironmentUnlessRelative) {
  ::setenv("CLOCHE_VMM", "/opt/y/libexec/cloche/another-vmm", 1);
  EXPECT_EQ(find_installation("").vmm, "/opt/y/libexec/cloche/another-vmm");
  EXPECT_EQ(find_installation("").init, "/opt/y/share/cloche/cloche-init");
  ::setenv("CLOCHE_VMM", "libexec/cloche/cloche-vmm", 1);
  EXPECT_TRUE(find_installation("").vmm.starts_with('/'));
  ::unsetenv("CLOCHE_VMM");
}

TEST(Examine, AnEmptyInstallationFailsWithRemedies) {
  HostReport report = examine_host("/nonexistent");
  EXPECT_FALSE(report.runs_directly);
  EXPECT_FALSE(report.runs_in_machine);
  bool missing = false;
  for (const Check& check : report.checks) {
    EXPECT_FALSE(check.found.empty()) << check.name;
    EXPECT_TRUE(check.state != CheckState::kFailed || !check.remedy.empty()) << check.name;
    missing |= check.name == "cloche-vmm" && check.state == CheckState::kFailed;
  }
  EXPECT_TRUE(missing);
}

}  // namespace
}  // namespace cloche
