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

class HeldFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    auto held = HeldInstallation::hold(fake_.directory());
    ASSERT_TRUE(held) << held.error().message();
    held_ = std::move(*held);
  }
  HeldFiles::Copies copies() const {
    auto copies = held_->files().copy();
    EXPECT_TRUE(copies) << copies.error().message();
    return std::move(*copies);
  }

  FakeInstallation fake_{CLOCHE_FAKE_VMM};
  std::string init_ = fake_.path("share/cloche/cloche-init");
  std::shared_ptr<const HeldInstallation> held_;
};

TEST(HeldFiles, AMissingFileIsNamed) {
  auto held = HeldInstallation::hold("/nonexistent");
  ASSERT_FALSE(held);
  EXPECT_EQ(held.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(held.error().message().find("/nonexistent/libexec/cloche/cloche-vmm"), std::string::npos);
  EXPECT_NE(held.error().message().find("install cloche again"), std::string::npos);
}

TEST_F(HeldFilesTest, AnEmptyFileIsNotHeld) {
  std::filesystem::resize_file(init_, 0);
  EXPECT_FALSE(HeldInstallation::hold(fake_.directory()));
}

TEST_F(HeldFilesTest, KnowsAnotherFileAtItsPath) {
  EXPECT_TRUE(held_->files().are_in_place());
  std::filesystem::rename(init_, init_ + ".old");
  EXPECT_FALSE(held_->files().are_in_place());
  std::ofstream(init_) << "somebody's";
  EXPECT_FALSE(held_->files().are_in_place());
}

TEST_F(HeldFilesTest, ACopyHasWhatWasThereWhenItWasHeld) {
  std::string before = contents_of(init_);
  std::filesystem::remove(init_);
  auto copy = copies();
  EXPECT_EQ(contents_of(copy.installation.init), before);
}

// As when an installation is overwritten in place: the pages are gone.
TEST_F(HeldFilesTest, AFileCutShortIsAnError) {
  std::filesystem::resize_file(init_, 0);
  EXPECT_FALSE(held_->files().copy());
}

TEST_F(HeldFilesTest, ThePlanNamesThemAsTheVmsProcessSeesThem) {
  auto copy = copies();
  auto plan = make_plan({.arguments = {"true"}}, copy.installation);
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_EQ(hand_over(std::move(copy), *plan), "/proc/self/fd/6");
  EXPECT_EQ(plan->vm.init_path, "/proc/self/fd/4");
  EXPECT_EQ(plan->vm.kernel_path, "/proc/self/fd/5");
  EXPECT_EQ(plan->descriptors.size(), 3u);
  EXPECT_EQ(plan->owned.size(), 3u);
}

TEST_F(HeldFilesTest, AKernelOfTheCallersStaysWhereItIs) {
  Plan plan;
  plan.vm.kernel_path = "/boot/vmlinuz";
  hand_over(copies(), plan);
  EXPECT_EQ(plan.vm.kernel_path, "/boot/vmlinuz");
  EXPECT_EQ(plan.descriptors.size(), 2u);
}

}  // namespace
}  // namespace cloche
