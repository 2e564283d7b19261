"""The demo's server: who is answered, with what, and that no trace leaves it."""

import http.client
import json
import threading

import pytest

from camanet_jax.app.server import largest_body, open_server
from camanet_jax.data.image_files import DamagedImageError

JSON = {'Content-Type': 'application/json'}


class FakeDemo:
    """Answers without a model."""

    views = 2

    def page(self):
        return '<p>page</p>'

    def upload(self, files):
        if files[0]['name'] == 'damaged.png':
            raise DamagedImageError('image damaged.png cannot be decoded: it is empty')
        return {'id': files[0]['name']}

    def example(self, number):
        raise RuntimeError(f'secret inner state {number}')


@pytest.fixture(scope='module')
def server():
    with open_server('127.0.0.1', 0) as server:
        server.demo = FakeDemo()
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server, method, path, body=None, headers=JSON):
    """Status and content of an answer."""
    connection = http.client.HTTPConnection('127.0.0.1', server.server_port, timeout=10)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    return answer, content if answer.getheader('Content-Type') != 'application/json' else json.loads(content)


def post(server, path, value, **options):
    answer, content = ask(server, 'POST', path, json.dumps(value), **options)
    return answer.status, content


def test_the_page_may_load_nothing_from_outside(server):
    answer, content = ask(server, 'GET', '/')
    assert answer.status == 200 and content == '<p>page</p>'
    assert "default-src 'none'; connect-src 'self'" in answer.getheader('Content-Security-Policy')
    assert ask(server, 'GET', '/../etc/passwd')[0].status == 404


def test_films_are_answered_with_a_study_or_a_message(server):
    assert post(server, '/report', {'files': [{'name': 'a.png', 'data': ''}]}) == (200, {'id': 'a.png'})
    assert post(server, '/report', {'files': [{'name': 'damaged.png', 'data': ''}]}) == (
        200,
        {'error': 'image damaged.png cannot be decoded: it is empty'},
    )


def test_faults_of_ours_show_nothing_of_the_inside(server, caplog):
    status, content = post(server, '/example', {'number': 1})
    assert status == 500 and 'secret' not in json.dumps(content) and 'log says why' in content['error']


@pytest.mark.parametrize(
    ('path', 'value'),
    [
        ('/report', {}),
        ('/report', {'files': [{'name': 3, 'data': ''}]}),
        ('/report', {'files': ['a']}),
        ('/report', 7),
        ('/example', {'number': 'one'}),
        ('/elsewhere', {}),
    ],
)
def test_other_requests_are_refused(server, path, value):
    status, content = post(server, path, value)
    assert status == 400 and 'not a request that the page makes' in content['error']


def test_bodies_must_be_json_of_a_known_and_allowed_length(server):
    assert ask(server, 'POST', '/report', '{', JSON)[0].status == 400
    assert ask(server, 'POST', '/report', '{}', {'Content-Type': 'text/plain'})[0].status == 415
    large = JSON | {'Content-Length': str(largest_body(2) + 1)}
    answer, content = ask(server, 'POST', '/report', None, large)
    assert answer.status == 413 and content['error'] == 'A film may have at most 64 MB.'


def test_other_names_for_this_machine_are_refused(server):
    assert ask(server, 'GET', '/', headers={'Host': 'somewhere.example:80'})[0].status == 403
    assert ask(server, 'GET', '/', headers={'Host': f'localhost:{server.server_port}'})[0].status == 200


def test_a_taken_port_is_said(server):
    with pytest.raises(ValueError, match=f'Cannot listen on 127.0.0.1, port {server.server_port}: Address already'):
        open_server('127.0.0.1', server.server_port)
