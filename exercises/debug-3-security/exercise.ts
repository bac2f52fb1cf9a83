import { meshChallenge } from '../check/challenge.ts';
import { FAULTS } from './faults.ts';
import { QUESTIONS } from './questions.ts';

export default meshChallenge({
  title: { en: 'Four faults in the security of the mesh', ko: '메시 보안에 숨은 결함 네 가지' },
  day: 3,
  minutes: 45,
  name: 'debug-3-security',
  beside: ['k8s/bookinfo.yaml', 'istio/bookinfo-gateway.yaml'],
  questions: QUESTIONS,
  pool: FAULTS,
});
