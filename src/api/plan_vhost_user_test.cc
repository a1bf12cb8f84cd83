// The vhost-user devices of a Config: what is taken, and what is refused in words that name it.
#include <gmock/gmock.h>

#include <filesystem>

#include "api/plan.h"
#include "api/testing/plan_fixture.h"

namespace cloche {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PlanVhostUserTest : public PlanFixture {
 protected:
  Result<Plan> plan(std::vector<VhostUserDevice> devices) {
    config_.vhost_user = std::move(devices);
    return PlanFixture::plan(quiet(config_));
  }
  std::string why(const VhostUserDevice& device) { return PlanFixture::why(plan({device})); }
  Config config_{.arguments = {"true"}};
};

TEST_F(PlanVhostUserTest, IsPassedOn) {
  auto made = plan({{.type = 2, .socket_path = "relative", .queues = 3, .queue_sizes = {64, 32768}},
                    {.type = 63, .socket_path = "/run/x.sock", .name = "the x"}})
                  .value();
  const auto& devices = made.vm.vhost_user;
  ASSERT_EQ(devices.size(), 2u);
  EXPECT_EQ(devices[0].type, 2u);
  EXPECT_EQ(devices[0].socket_path, std::filesystem::absolute("relative"));
  EXPECT_EQ(devices[0].name, "vhost-user-2");
  EXPECT_EQ(devices[0].queues, 3u);
  EXPECT_THAT(devices[0].queue_sizes, ElementsAre(64, 32768));
  EXPECT_EQ(devices[1].name, "the x");
  EXPECT_TRUE(made.vm.start.has_disks);
  EXPECT_TRUE(plan({{.type = 26, .socket_path = "/x"}}).value().vm.start.has_disks);
  EXPECT_TRUE(plan({}).value().vm.vhost_user.empty());
  EXPECT_FALSE(plan({{.type = 4, .socket_path = "/x"}}).value().vm.start.has_disks);
}

TEST_F(PlanVhostUserTest, WhatIsWrongIsNamed) {
  EXPECT_THAT(why({.type = 0, .socket_path = "/x"}), AllOf(HasSubstr("vhost-user device 0"), HasSubstr("type: 0")));
  EXPECT_THAT(why({.type = 64, .socket_path = "/x"}), HasSubstr("type: 64"));
  EXPECT_THAT(why({.type = 2}), HasSubstr("path of a socket"));
  EXPECT_THAT(why({.type = 2, .socket_path = std::string("/x\0y", 4)}), HasSubstr("NUL"));
  EXPECT_THAT(why({.type = 2, .socket_path = "/" + std::string(107, 'x')}), HasSubstr("107"));
  EXPECT_THAT(why({.type = 2, .socket_path = "/x", .name = "\n"}), HasSubstr("name"));
  EXPECT_THAT(why({.type = 2, .socket_path = "/x", .name = std::string(65, 'x')}), HasSubstr("name"));
  EXPECT_THAT(why({.type = 2, .socket_path = "/x", .queues = 65}), HasSubstr("65"));
  EXPECT_THAT(why({.type = 2, .socket_path = "/x", .queues = 1, .queue_sizes = {1, 1}}), HasSubstr("2 sizes"));
  EXPECT_THAT(why({.type = 2, .socket_path = "/x", .queue_sizes = std::vector<uint16_t>(65, 1)}), HasSubstr("65"));
  for (uint16_t size : std::vector<uint16_t>{0, 3, 65535}) {
    EXPECT_THAT(why({.type = 2, .socket_path = "/x", .queue_sizes = {size}}), HasSubstr("power of two")) << size;
  }
  EXPECT_FALSE(plan(std::vector<VhostUserDevice>(17, {.type = 2, .socket_path = "/x"})));
}

TEST_F(PlanVhostUserTest, SocketsAreForAGuestThatIsNotCloches) {
  VhostUserDevice sockets{.type = 19, .socket_path = "/x"};
  EXPECT_THAT(why(sockets), HasSubstr("cloche needs the guest's vsock"));
  config_.first_program = FirstProgram::kGuests;
  config_.root = {.source = RootSource::kNone};
  EXPECT_EQ(why(sockets), "it is taken");
  config_.vsock_ports = {{.port = 20, .socket_path = "/y"}};
  EXPECT_THAT(why(sockets), HasSubstr("cloche's own vsock"));
}

}  // namespace
}  // namespace cloche
