import { expect, test } from 'vitest';
import { RequestTally } from '../../server/request-tally.ts';

test('requests are counted by method and status, and by how long they took, as Prometheus reads it', () => {
  const tally = new RequestTally();
  tally.count('GET', 200, 0.25);
  tally.count('GET', 200, 0.75);
  tally.count('PUT', 409, 25);
  // No client may add to the labels.
  tally.count('BREW', 405, 5000);
  const values = new Map(
    tally
      .text()
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.split(' ') as [string, string]),
  );
  expect(Object.fromEntries(values)).toEqual({
    'rollcall_http_requests_total{method="GET",status="200"}': '2',
    'rollcall_http_requests_total{method="PUT",status="409"}': '1',
    'rollcall_http_requests_total{method="other",status="405"}': '1',
    'rollcall_http_request_duration_seconds_bucket{le="0.0005"}': '1',
    'rollcall_http_request_duration_seconds_bucket{le="0.001"}': '2',
    'rollcall_http_request_duration_seconds_bucket{le="0.0025"}': '2',
    'rollcall_http_request_duration_seconds_bucket{le="0.005"}': '2',
    'rollcall_http_request_duration_seconds_bucket{le="0.01"}': '2',
    // A bound counts what is equal to it.
    'rollcall_http_request_duration_seconds_bucket{le="0.025"}': '3',
    'rollcall_http_request_duration_seconds_bucket{le="0.1"}': '3',
    'rollcall_http_request_duration_seconds_bucket{le="0.5"}': '3',
    'rollcall_http_request_duration_seconds_bucket{le="2.5"}': '3',
    'rollcall_http_request_duration_seconds_bucket{le="+Inf"}': '4',
    rollcall_http_request_duration_seconds_sum: '5.026',
    rollcall_http_request_duration_seconds_count: '4',
  });
});
