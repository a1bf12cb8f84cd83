#include "api/held_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "api/testing/fake_installation.h"
#include "cloche/held_installation.h"

namespace cloche {
namespace {

std::string contents_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(HeldFiles, AMissingFileIsNamed) {
  auto held = HeldInstallation::hold("/nonexistent");
  ASSERT_FALSE(held);
  EXPECT_NE(held.error().message().find("/nonexistent/libexec/cloche/cloche-vmm"), std::string::npos);
}

TEST(HeldFiles, AnEmptyFileIsNotHeld) {
  FakeInstallation fake(CLOCHE_FAKE_VMM);
  std::ofstream(fake.directory() + "/share/cloche/cloche-init", std::ios::trunc).close();
  EXPECT_FALSE(HeldInstallation::hold(fake.directory()));
}

TEST(HeldFiles, KnowsAnotherFileAtItsPath) {
  FakeInstallation fake(CLOCHE_FAKE_VMM);
  auto held = HeldInstallation::hold(fake.directory());
  ASSERT_TRUE(held) << held.error().message();
  EXPECT_TRUE((*held)->files().are_in_place());
  std::string init = fake.directory() + "/share/cloche/cloche-init";
  std::filesystem::rename(init, init + ".old");
  EXPECT_FALSE((*held)->files().are_in_place());
  std::ofstream(init) << "somebody's";
  EXPECT_FALSE((*held)->files().are_in_place());
}

TEST(HeldFiles, ACopyHasWhatWasThereWhenItWasHeld) {
  FakeInstallation fake(CLOCHE_FAKE_VMM);
  std::string init = fake.directory() + "/share/cloche/cloche-init";
  std::string before = contents_of(init);
  auto held = HeldInstallation::hold(fake.directory());
  ASSERT_TRUE(held) << held.error().message();
  std::filesystem::remove(init);
  auto copies = (*held)->files().copy();
  ASSERT_TRUE(copies) << copies.error().message();
  EXPECT_EQ(contents_of(copies->installation.init), before);
}

// As when an installation is overwritten in place: the pages are gone.
TEST(HeldFiles, AFileCutShortIsAnError) {
  FakeInstallation fake(CLOCHE_FAKE_VMM);
  auto held = HeldInstallation::hold(fake.directory());
  ASSERT_TRUE(held) << held.error().message();
  std::filesystem::resize_file(fake.directory() + "/share/cloche/cloche-init", 0);
  EXPECT_FALSE((*held)->files().copy());
}

TEST(HeldFiles, ThePlanNamesThemAsTheVmsProcessSeesThem) {
  FakeInstallation fake(CLOCHE_FAKE_VMM);
  auto held = HeldInstallation::hold(fake.directory());
  ASSERT_TRUE(held) << held.error().message();
  auto copies = (*held)->files().copy();
  ASSERT_TRUE(copies) << copies.error().message();
  Config config{.arguments = {"true"}};
  auto plan = make_plan(config, copies->installation);
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_EQ(hand_over(std::move(*copies), *plan), "/proc/self/fd/6");
  EXPECT_EQ(plan->vm.init_path, "/proc/self/fd/4");
  EXPECT_EQ(plan->vm.kernel_path, "/proc/self/fd/5");
  EXPECT_EQ(plan->descriptors.size(), 3u);
  EXPECT_EQ(plan->owned.size(), 3u);
}

TEST(HeldFiles, AKernelOfTheCallersStaysWhereItIs) {
  FakeInstallation fake(CLOCHE_FAKE_VMM);
  auto held = HeldInstallation::hold(fake.directory());
  ASSERT_TRUE(held) << held.error().message();
  auto copies = (*held)->files().copy();
  ASSERT_TRUE(copies) << copies.error().message();
  Plan plan;
  plan.vm.kernel_path = "/boot/vmlinuz";
  hand_over(std::move(*copies), plan);
  EXPECT_EQ(plan.vm.kernel_path, "/boot/vmlinuz");
  EXPECT_EQ(plan.descriptors.size(), 2u);
}

}  // namespace
}  // namespace cloche
