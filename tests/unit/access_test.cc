// SPDX-License-Identifier: Apache-2.0
#include "runtime/access.h"

#include <gtest/gtest.h>

#include "ops/access_report.h"

namespace weft::ops {
namespace {

proxy::AccessRecord record_of(uint16_t status, uint32_t service = 1, proxy::ResponseFlags flags = 0) {
  proxy::AccessRecord record;
  record.status = status;
  record.service_slot = service;
  record.flags = flags;
  return record;
}

std::vector<uint16_t> statuses(runtime::Access& access) {
  std::vector<uint16_t> all;
  for (proxy::AccessRecord each; access.take(each);) {
    all.push_back(each.status);
  }
  return all;
}

TEST(Access, TellsOfWhatIsAskedFor) {
  runtime::Access every(2, {});
  runtime::Access failed(2, {.service_slots = {}, .only_failed = true});
  runtime::Access of_one(2, {.service_slots = {2, 3}});
  for (const auto& each : {record_of(200), record_of(404, 2), record_of(503, 3), record_of(0),
                           record_of(200, 1, proxy::response_flag::downstream_termination)}) {
    for (runtime::Access* access : {&every, &failed, &of_one}) {
      access->finished(1, each);
    }
  }
  EXPECT_EQ(statuses(every), (std::vector<uint16_t>{200, 404, 503, 0, 200}));
  EXPECT_EQ(statuses(failed), (std::vector<uint16_t>{503, 0, 200}));
  EXPECT_EQ(statuses(of_one), (std::vector<uint16_t>{404, 503}));
}

TEST(Access, CountsWhatItHasNoRoomFor) {
  runtime::Access access(1, {.service_slots = {1}});
  for (size_t i = 0; i < runtime::Access::kRecords + 3; ++i) {
    access.finished(0, record_of(200));
  }
  access.finished(0, record_of(200, 2));
  EXPECT_EQ(access.missed(), 3U) << "of what was asked for";
  EXPECT_EQ(statuses(access).size(), runtime::Access::kRecords);
  access.finished(0, record_of(201));
  EXPECT_EQ(statuses(access), std::vector<uint16_t>{201});
}

TEST(Access, WorkersTakeTurns) {
  runtime::Access access(3, {});
  proxy::AccessRecord record;
  for (uint16_t i = 0; i < 4; ++i) {
    access.finished(0, record_of(200 + i));
  }
  access.finished(2, record_of(400));
  access.finished(2, record_of(401));
  EXPECT_EQ(statuses(access), (std::vector<uint16_t>{200, 400, 201, 401, 202, 203}));
  access.finished(0, record_of(204));
  ASSERT_TRUE(access.take(record));
  access.finished(0, record_of(205));
  access.finished(1, record_of(300));
  EXPECT_EQ(statuses(access), (std::vector<uint16_t>{300, 205})) << "whose turn it is outlasts a look";
}

TEST(Access, ALineHasTheDocumentedNames) {
  const lb::Snapshot nobody(1, 7, {});
  proxy::AccessRecord told =
      record_of(503, 9, proxy::response_flag::upstream_connection_failure | proxy::response_flag::upstream_retry_limit);
  told.client = *lb::parse_address("10.1.0.1");
  told.client_port = lb::port_from_host(40000);
  told.vip = *lb::parse_address("10.96.0.10");
  told.vip_port = lb::port_from_host(80);
  told.endpoint = *lb::parse_address("10.1.0.11");
  told.endpoint_port = lb::port_from_host(8080);
  told.attempts = 3;
  told.local = true;
  told.duration_us = 1500;
  told.first_byte_us = 1400;
  told.method.set("GET");
  told.host.set("web");
  told.path.set("/a\xff");
  told.route.set("default/split");
  const Json json = as_json(told, std::chrono::system_clock::time_point(std::chrono::microseconds(1'000'001)), nobody);
  std::string names;
  for (const auto& [name, value] : json.items()) {
    names += name + " ";
  }
  EXPECT_EQ(
      names,
      "time service client address method host path request_id route denied_by dry_run_denied_by limited_by signature "
      "backend endpoint attempts status flags detail fault answered_by duration_us first_byte_us request_bytes "
      "response_bytes ");
  EXPECT_EQ(json["time"], "1970-01-01T00:00:01.000001Z");
  EXPECT_EQ(json["flags"], "UF,URX");
  EXPECT_EQ(json["answered_by"], "weft");
  EXPECT_EQ(json["service"], "") << "it is gone";
  const std::string line = access_line(json);
  EXPECT_EQ(line.find("1970-01-01T00:00:01.000001Z     503  UF,URX           1.500  -"), 0U) << line;
  EXPECT_TRUE(line.ends_with("10.1.0.11:8080         default/split             GET web/a\xff\n")) << line;
  EXPECT_EQ(access_heading().find("REQUEST"), line.find("GET"));

  const Json silent = as_json(record_of(0), {}, nobody);
  EXPECT_EQ(silent["status"], nullptr);
  EXPECT_EQ(silent["first_byte_us"], nullptr);
  EXPECT_EQ(silent["endpoint"], nullptr);
  EXPECT_EQ(silent["answered_by"], "nobody");
}

}  // namespace
}  // namespace weft::ops
