#include "sandbox/record.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace cloche::sandbox {
namespace {

Record full_record() {
  Record record;
  record.id = "0123456789ab";
  record.created_ns = UINT64_MAX;
  record.config.name = "box";
  record.config.labels = {{"team", "x"}, {"", "\xff"}};
  record.config.stop_grace = std::chrono::milliseconds(7);
  record.config.idle_timeout = std::chrono::milliseconds(8);
  record.config.restart = {.when = RestartWhen::kOnFailure, .most = 3};
  record.config.health = {.command = {"sh", "-c", "x"}, .interval = std::chrono::milliseconds(4), .retries = 2};
  record.config.limits = {.cpu_thousandths = 1500, .memory_bytes = 1 << 30, .processes = 77};
  record.config.kelpie = {"/run/kelpie.sock", KelpieSocket::kConnect, KelpieServer::kCommand};
  Config& vm = record.config.vm;
  vm.arguments = {"sh", "", "-c", "k\xc3\xb6ln \xff\x80 {\"bytes\": 1}"};
  vm.root = {.source = RootSource::kDirectory, .path = "/root", .writes = Writes::kRefused};
  vm.shares.push_back({.host_path = "/a\xfe", .guest_path = "/b", .access = Access::kReadOnly});
  vm.shares[0].cache = ShareCache::kAlways;
  vm.shares[0].timeout = std::chrono::milliseconds(5);
  vm.shares[0].users = {{1, 2, 3}};
  vm.shares[0].quota_bytes = UINT64_MAX;
  std::string every_byte(256, '\0');
  for (size_t i = 0; i < every_byte.size(); ++i) every_byte[i] = static_cast<char>(i);
  vm.shares[0].injected = {{.path = "f", .contents = every_byte, .mode = 0600, .lookups = InjectedLookups::kOne}};
  vm.networks = {{.kind = NetworkKind::kDatagram,
                  .path = "/run/g.sock",
                  .greeting = DatagramGreeting::kVfkit,
                  .mac = std::array<uint8_t, 6>{2, 0, 0, 0, 0, 255},
                  .features = UINT64_MAX,
                  .mtu = 1400,
                  .dhcp = Dhcp::kOff},
                 {.ports = {{1, 2, PortProtocol::kUdp, "0.0.0.0"}}}};
  vm.disks = {{.path = "/disk",
               .format = DiskFormat::kQcow2,
               .access = Access::kReadOnly,
               .sync = DiskSync::kNone,
               .cache = DiskCache::kNone,
               .serial = "s",
               .backing_path = "/base"}};
  vm.root.disk = 3;
  vm.user = {.uid = 1000, .gid = 1};
  vm.limits = {{.resource = "nofile", .soft = 1, .hard = kUnlimited}};
  vm.timeout = std::chrono::milliseconds(9);
  vm.input = Input::kCarried;
  vm.terminal = {.rows = 3, .columns = 4};
  vm.smbios_oem_strings = {"one", "two"};
  return record;
}

TEST(Record, ComesBack) {
  Record record = full_record();
  std::string text = encode(record);
  auto read = decode_record(text);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(encode(*read), text);
  EXPECT_EQ(read->config.vm.arguments, record.config.vm.arguments);
  EXPECT_EQ(read->config.vm.shares[0].injected[0].contents, record.config.vm.shares[0].injected[0].contents);
  EXPECT_EQ(read->config.labels, record.config.labels);
  EXPECT_EQ(read->config.vm.disks.at(0).sync, DiskSync::kNone);
  EXPECT_EQ(read->config.vm.disks[0].backing_path, "/base");
  EXPECT_EQ(read->config.vm.root.disk, 3u);
  EXPECT_EQ(read->config.vm.limits[0].hard, kUnlimited);
  EXPECT_EQ(read->config.vm.input, Input::kCarried);
  EXPECT_EQ(read->config.vm.terminal->columns, 4);
  EXPECT_EQ(read->config.vm.smbios_oem_strings, record.config.vm.smbios_oem_strings);
  EXPECT_EQ(read->config.restart.when, RestartWhen::kOnFailure);
  EXPECT_EQ(read->config.health.command, record.config.health.command);
  EXPECT_EQ(read->config.limits.processes, 77u);
  ASSERT_EQ(read->config.vm.networks.size(), 2u);
  EXPECT_EQ(read->config.vm.networks[0].mac, record.config.vm.networks[0].mac);
  EXPECT_EQ(read->config.vm.networks[1].ports[0].guest_port, 2);
}

TEST(Record, AnEmptyOneComesBack) {
  auto read = decode_record(encode(Record{}));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_FALSE(read->config.vm.timeout);
}

TEST(Record, AnOlderOneWithoutSomeFieldsIsRead) {
  nlohmann::json whole = nlohmann::json::parse(encode(full_record()));
  for (const char* name : {"restart", "health", "limits", "kelpie"}) whole["config"].erase(name);
  whole["config"]["vm"].erase("input");
  auto read = decode_record(whole.dump());
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->config.restart.when, RestartWhen::kNever);
  EXPECT_FALSE(read->config.kelpie);
  EXPECT_EQ(read->config.vm.input, Config{}.input);
  EXPECT_EQ(read->config.name, "box");
}

TEST(Record, ItsNameIsReadWithoutAParser) {
  Record record = full_record();
  record.config.labels["name"] = "\n    \"name\": \"wrong\"";
  record.config.vm.hostname = "other";
  EXPECT_EQ(name_in_record(encode(record)), "box");
  EXPECT_EQ(name_in_record(encode(Record{})), "");
  for (const char* damaged : {"", "{}", "\n    \"name\": \"", "\n    \"name\": \"box"})
    EXPECT_EQ(name_in_record(damaged), "") << damaged;
}

TEST(Record, WhatIsNotOneIsRefused) {
  std::string text = encode(full_record());
  for (size_t size = 0; size + 1 < text.size(); size += 7) EXPECT_FALSE(decode_record(text.substr(0, size))) << size;
  nlohmann::json whole = nlohmann::json::parse(text);
  for (const auto& [name, value] : whole.items()) {
    nlohmann::json without = whole;
    without.erase(name);
    EXPECT_FALSE(decode_record(without.dump())) << name;
  }
  whole["version"] = 2;
  auto newer = decode_record(whole.dump());
  ASSERT_FALSE(newer);
  EXPECT_NE(newer.error().what.find("version 2"), std::string::npos);
  whole["version"] = 1;
  whole["config"]["vm"]["shares"][0]["cache"] = "never";
  EXPECT_FALSE(decode_record(whole.dump()));
  whole["config"]["vm"]["shares"][0]["cache"] = "none";
  whole["config"]["vm"]["arguments"][0] = {{"bytes", "\xc3"}};
  EXPECT_FALSE(decode_record(whole.dump(-1, ' ', false, nlohmann::json::error_handler_t::ignore)) &&
               decode_record("{\"version\": 1, \"id\": {\"bytes\": \"\xc3\"}}"));
}

}  // namespace
}  // namespace cloche::sandbox
